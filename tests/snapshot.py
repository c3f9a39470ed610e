"""Write the OpenAPI document anew: `python -m tests.snapshot`."""

import orjson

from api.app import create_app
from spatial.db import Database, make_engine
from spatial.settings import Settings
from tests.test_house import SNAPSHOT

app = create_app(Database(make_engine("postgresql:///nowhere")), Settings())
SNAPSHOT.write_bytes(orjson.dumps(app.openapi(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
