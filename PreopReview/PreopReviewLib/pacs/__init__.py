"""Images from a PACS and results back to it, over DICOMweb or the classic DICOM network (DIMSE).

`connections` reads which servers there are, `dicomweb` and `dimse` speak to them, `rules` says which series are wanted,
`exchange` fetches and stores so that nothing is left half-done, `objects` makes the reports that go back.
"""
