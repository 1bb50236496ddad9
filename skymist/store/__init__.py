"""Sky maps on disk and in object stores: Zarr, FITS."""
