"""Sky maps on disk: Zarr, FITS."""
