"""`python -m cli`: the `mechanic-shop` command without its script."""

from cli.main import main

main(prog_name="mechanic-shop")
