"""Results looked at, corrected and judged in a browser, with no Slicer.

`cases` says what there is to review, `annotation` keeps what a reader said, `view` is the scene with its views,
`session` the page of one reader (one process each), and `gate` the server before them.
"""
