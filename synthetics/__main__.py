"""`synthetics` and `python -m synthetics`: listens for Ctrl-C first, and loads the command line then."""

from synthetics.interrupts import end_on_interrupt


def main() -> None:
    """Run the command line."""
    end_on_interrupt()
    from synthetics.cli import main as command_line  # it takes a while, and people change their minds

    command_line()


if __name__ == "__main__":
    main()
