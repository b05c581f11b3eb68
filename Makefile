# Every target sets the machine up first (setup.sh) and needs no activated environment.
VENV := .venv/bin
BUNDLE ?= build/gestures
BOARD ?= virtual_m4
MINUTES ?= 60

.PHONY: help setup demo test test-slow lint bench study study-gestures soak docs messages format clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## install what is missing: Debian packages, .venv, sources
	@./setup.sh

demo: setup ## from recordings to a validated virtual patch, in under ten minutes
	@test -f $(BUNDLE)/patch.toml || $(VENV)/myopatch new $(BUNDLE)
	$(VENV)/myopatch train $(BUNDLE) --out $(BUNDLE)
	$(VENV)/myopatch export $(BUNDLE)
	$(VENV)/myopatch build $(BUNDLE) --board $(BOARD)
	$(VENV)/myopatch validate $(BUNDLE) --board $(BOARD)

test: setup ## run the tests
	@$(VENV)/python -m pytest -q -n 2

test-slow: setup ## the tests that make test leaves out for time: the same promises on more boards
	@$(VENV)/python -m pytest -q -n 2 -m slow

lint: setup ## ruff, mypy, clang-format where it is installed
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy pipeline training export host_tools
	@if command -v clang-format >/dev/null; then git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror; \
	else echo "clang-format is not installed: C formatting not checked"; fi

format: setup ## format Python and C
	$(VENV)/ruff format .
	$(VENV)/ruff check --fix .
	git ls-files '*.c' '*.h' | xargs clang-format -i

bench: setup ## count instructions of the bench networks, the filters, the removal of motion, features, signal quality, auxiliary streams, decisions and calibration (benchmarks/)
	$(VENV)/python benchmarks/bench_network.py
	$(VENV)/python benchmarks/bench_filters.py
	$(VENV)/python benchmarks/bench_features.py
	$(VENV)/python benchmarks/bench_motion.py
	$(VENV)/python benchmarks/bench_quality.py
	$(VENV)/python benchmarks/bench_decision.py
	$(VENV)/python benchmarks/bench_aux.py
	$(VENV)/python benchmarks/bench_calibration.py
	$(VENV)/python benchmarks/bench_spectrum.py

study: ## the compiler against 2,000 random networks and 10,000 damaged files; faults planted in recordings; heart and motion removed; 20 million hostile frames on the link; a search; every kind of network, two trainers of trees, corrections of quantization, anomalies; calibration of persons never seen (three hours)
	@./setup.sh study
	$(VENV)/python benchmarks/study_network.py
	$(VENV)/python benchmarks/study_quality.py
	@test -f $(BUNDLE)/twin.npz || $(MAKE) demo
	$(VENV)/python benchmarks/study_quality_gate.py $(BUNDLE)
	$(VENV)/python benchmarks/study_monitor.py
	$(VENV)/python benchmarks/study_front_end.py
	$(VENV)/python benchmarks/study_motion.py
	$(VENV)/python benchmarks/study_link.py
	$(VENV)/python benchmarks/study_tune.py
	$(VENV)/python benchmarks/study_models.py
	$(VENV)/python benchmarks/study_boosted.py
	$(VENV)/python benchmarks/study_quantization.py
	$(VENV)/python benchmarks/study_anomaly.py
	$(VENV)/python benchmarks/study_calibration.py

study-gestures: setup ## what the models are worth on real EMG: every row of docs/gestures.md, resumed where it stopped (half an hour)
	$(VENV)/python benchmarks/study_gestures.py
	$(VENV)/python benchmarks/gesture_integers.py
	$(VENV)/python benchmarks/gesture_page.py

soak: setup ## an hour of patch time over a line with faults, resets and host restarts; every sample accounted for
	@test -f $(BUNDLE)/firmware/$(BOARD).elf || $(MAKE) demo
	$(VENV)/myopatch soak $(BUNDLE) --board $(BOARD) --minutes $(MINUTES) --out $(BUNDLE)/soak.json

docs: setup ## make docs/spec.md and docs/validation.schema.json from their descriptions
	$(VENV)/python -m myo_host.validation_schema
	$(VENV)/python -c "from pathlib import Path; from myo_pipeline.spec_page import document_spec; Path('docs/spec.md').write_text(document_spec())"

messages: setup ## make the firmware's message header from the link's description
	$(VENV)/python -m myo_host.messages

clean: ## remove what was built (not .venv)
	rm -rf build .pio .pytest_cache .mypy_cache .ruff_cache .hypothesis
