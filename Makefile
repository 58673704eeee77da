# make demo   the whole journey on a phantom cohort, into demo/
# make test   the tests, but for those marked slow (README.md)
# make lint   style, types, import contracts
# make docs   the documentation, into site/; links are checked
# make venv   .venv alone;  EXTRA=gpu for an NVIDIA GPU, PYTHON=python3.12 for another Python

PYTHON ?= python3
EXTRA ?= cpu

VENV := .venv
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
# Its name holds what .venv was made with; another Python or extra makes it anew.
READY := $(VENV)/.ready-$(EXTRA)-$(VERSION)

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: demo test lint docs venv clean

demo: $(READY)
	rm -rf demo
	gastritis-gan phantom --out demo/cohort --patients 40 --image-size 1024 --seed 0
	gastritis-gan prepare demo/cohort --config configs/phantom.yaml --out demo/store \
	  --key-file demo/keys/store.key
	# Side by side, a thread each: faster than one after the other with all threads.
	for target in positive negative; do \
	  OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 gastritis-gan fit \
	    --config configs/phantom.yaml --store demo/store --model lc_pggan \
	    --target $$target --run demo/runs/lc_$$target & fits="$$fits $$!"; \
	  done; for fit in $$fits; do wait $$fit || { kill $$fits; exit 1; }; done
	gastritis-gan export demo/runs/lc_positive --name lc_positive --exported-dir demo/exported
	gastritis-gan export demo/runs/lc_negative --name lc_negative --exported-dir demo/exported
	gastritis-gan serve --exported-dir demo/exported --local --port 0 \
	  --url-file demo/server.url & server=$$!; \
	  trap 'kill $$server; wait $$server' EXIT; \
	  for try in $$(seq 600); do \
	    test ! -s demo/server.url || break; kill -0 $$server || exit 1; sleep 0.5; done; \
	  for target in positive negative; do \
	    gastritis-gan sample --server "$$(cat demo/server.url)" --model lc_$$target \
	      --count 64 --seed 0 --out demo/samples/lc_$$target || exit 1; done
	gastritis-gan gan-train --config configs/phantom.yaml --store demo/store \
	  --generators demo/exported --out demo/results
	gastritis-gan audit --config configs/phantom.yaml --store demo/store \
	  --generators demo/exported --key-file demo/keys/store.key --out demo/audit \
	  || [ $$? -ge 3 ]  # any verdict is a result
	gastritis-gan release demo/exported --per-class 100 --audit demo/audit \
	  --key-file demo/keys/store.key --accept-risk "the cohort is artificial" \
	  --results demo/results --out demo/release
	gastritis-gan report demo/report.html --store demo/store --runs demo/runs \
	  --exported demo/exported --results demo/results --audit demo/audit
	@echo 'cohort    demo/cohort            artificial radiographs, outlines, cohort.csv'
	@echo 'store     demo/store             the same without identities, split by patient'
	@echo 'key       demo/keys/store.key    the secret of its pseudonyms: keep it apart'
	@echo 'runs      demo/runs/*/           checkpoints, metrics, sheet_*.png per stage'
	@echo 'models    demo/exported/*/1/     SavedModels for TensorFlow Serving'
	@echo 'samples   demo/samples/*/        64 images each, over HTTP; sheet.png shows them'
	@echo 'table     demo/results/table.md  GAN-train: what the samples are worth'
	@echo 'audit     demo/audit/report.html do the samples give a patient away?'
	@echo 'release   demo/release/          200 labelled images with their datasheet'
	@echo 'report    demo/report.html       all of it on one page: open it in a browser'

# The files in their order, not those with most tests first: the longest has few. A thread
# for each of the two processes: more would only wait for each other.
test: export OMP_NUM_THREADS = 1
test: export TF_NUM_INTRAOP_THREADS = 1
test: export TF_NUM_INTEROP_THREADS = 1
test: $(READY)
	python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	ruff check
	ruff format --check
	mypy --no-incremental
	lint-imports

docs: $(READY)
	python docs/reference_pages.py
	zensical build --clean --strict

venv: $(READY)

$(READY): setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) \
	  else "Python 3.11 to 3.13 is needed; name it: make PYTHON=python3.12 ...")'
	@for ready in $(VENV)/.ready-*; do \
	  if [ -e "$$ready" ] && [ "$$ready" != "$(READY)" ]; then rm -rf $(VENV); fi; done
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --editable '.[$(EXTRA),test,lint,docs]'
	@touch $(READY)

clean:
	rm -rf $(VENV) build dist demo docs/reference site .cache *.egg-info .pytest_cache .mypy_cache .ruff_cache
