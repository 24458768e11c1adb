"""What is stored and sent: relational migrations, ClickHouse statements, event schemas, connector files."""
