"""Labeled data sets: taken over from files of any origin, split by patient, read by training and evaluation.

A data folder is an nnU-Net raw folder (`dataset.json`, `imagesTr/CASE_0000.nii.gz`, `labelsTr/CASE.nii.gz`) with

cases.csv       a line for each case: case, patient, image, labels or class, and what is known of it
left_out.csv    what was not taken, and why
split.json      which case is for training, validation and test (`splitting`)

Images with a class in place of labels have `classes` in dataset.json and no `labelsTr`. Nothing in it names a patient.
"""
