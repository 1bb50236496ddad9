"""One record in the words of others: DataCite, schema.org, W3C PROV, ObsCore, RO-Crate. It reads and sends nothing."""
