"""How the tables came to be, step by step; `database.upgrade` takes the steps that are lacking."""
