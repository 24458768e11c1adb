"""Tests of the ClickHouse front."""
