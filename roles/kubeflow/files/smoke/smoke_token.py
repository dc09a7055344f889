"""Makes and ends the token with which the smoke test may manage JupyterHub's users, in the hub's own database.

Runs in the hub's container, beside the hub, which looks into its database for every request with a token.

usage: smoke_token.py SECONDS [USER]   ends earlier ones, and USER's own; prints a new one that ends by itself after
                                       SECONDS, none for 0
"""

import json
import sys
from pathlib import Path

from jupyterhub import orm


def main(seconds, user=""):
    settings = json.loads((Path(__file__).parent / "settings.json").read_text())
    db = orm.new_session_factory(settings["database"])()
    service = orm.Service.find(db, "smoke")
    for owner in filter(None, (service, orm.User.find(db, user))):
        for token in owner.api_tokens:
            db.delete(token)
    db.commit()
    if seconds:
        print(service.new_api_token(expires_in=seconds, note="smoke test"))


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:3])
