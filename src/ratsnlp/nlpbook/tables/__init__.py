"""Own tables: any table file -> rows of text -> columns -> labelled rows."""
