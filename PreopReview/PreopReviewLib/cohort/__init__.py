"""Many cases: one task of the command `preop` run on each of them by Dask workers, of this machine or of a cluster.

`tasks` says what can be run, `cases` reads which cases there are, `calling` makes a command line of a case and runs it
in this process, `work` is what a worker does, `folder` keeps what is done, `cluster` finds or makes the workers, and
`driving` hands the cases out.
"""
