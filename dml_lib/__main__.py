"""`python -m dml_lib`."""

from .cli import main

main()
