"""The `mechanic-shop` command, also as `python -m cli`."""

import gc


def main() -> None:
    # Loading makes many objects and no garbage; to look for it again and again meanwhile
    # would be a quarter of the time.
    gc.disable()
    from cli.main import main as command

    gc.freeze()
    gc.enable()
    command(prog_name="mechanic-shop")


if __name__ == "__main__":
    main()
