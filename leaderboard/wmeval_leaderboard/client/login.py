"""`wmeval leaderboard login`: keeps a server's token in a file of yours, and makes a key to sign with."""

from __future__ import annotations

import os

import click

from wmeval.cli.options import as_json, print_json


@click.command(name="login")
@click.option("--server", required=True, metavar="URL", envvar="WMEVAL_SERVER", help="The leaderboard.")
@as_json
def command(server: str, as_json: bool) -> int:
    """Keep the token of a leaderboard, and make a key that your runs are signed with.

    The token comes from its operator; it is asked for, or taken from WMEVAL_TOKEN. A key that is there is
    kept.
    """
    from wmeval.submission.signing import public_key
    from wmeval_leaderboard.client import credentials
    from wmeval_leaderboard.client.server import Server

    token = os.environ.get(credentials.TOKEN) or click.prompt("token", hide_input=True, err=True)
    asked = Server(server, token.strip())
    team = asked.json("GET", "/api/v1/me")["team"]
    key = credentials.key_of(asked.address)
    credentials.keep(asked.address, credentials.Credentials(token.strip(), key))
    told = {
        "server": asked.address, "team": team, "key": public_key(key), "kept": str(credentials.file())
    }  # fmt: skip
    if as_json:
        print_json(told)
    else:
        click.echo(f"logged in to {asked.address} as {team}; runs are signed with key {told['key'][:12]}")
        click.echo(f"token and key are in {told['kept']}")
    return 0
