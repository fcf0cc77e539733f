# make book [PROFILE=fast|standard|paper]   the book, in _build/html
# make test                                 unit tests, a whole fast book, a real browser
# make clean                                remove what was generated, except data/ and .venv/

PROFILE ?= standard
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: book test clean install

book: $(INSTALLED)
	$(BIN)/python -m dml_lib book --profile $(PROFILE)

test: $(INSTALLED)
	$(BIN)/python -m pytest

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@echo "installing into .venv: about 3 GB, some minutes"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[all]"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps tinysoundfont
	touch $@

clean:
	rm -rf _run _build
