"""Prometheus: all queues of a server, and a worker's own figures. Their names stand in table.py."""
