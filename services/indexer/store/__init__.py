"""The truth: SQL tables, migrations and the queries on them."""
