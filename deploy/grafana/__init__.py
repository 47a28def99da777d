"""Boards for Grafana, written from Python with Grafana's own SDK: `python -m deploy.grafana`."""
