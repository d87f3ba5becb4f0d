"""`python -m nullalpha`."""

from nullalpha.cli.main import main

main()
