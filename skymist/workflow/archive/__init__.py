"""The archive: what is said of records and to whom, and how all of it leaves and comes back.

`describe` says a record in the words of every standard, `catalog` many of them as a table; `bundle`, `restore` and
`snapshot` take everything out and back, `exchange` is that with all documents in it; `imports` brings maps of others,
`recorded` has what a map needs to be made again, `doi` registers, and `settings` says whose archive it is.
"""
