"""`python -m deploy.grafana`: writes every board as the JSON that Grafana is provisioned with."""

from deploy.grafana.boards import BOARDS
from deploy.grafana.files import as_json, file_of

for board in BOARDS:
    file_of(board).write_text(as_json(board), encoding="utf-8")
