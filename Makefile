# One command each:  make setup | demo | checkpoint | test | check | bench | docs | clean
#
# `make setup` is a prerequisite of all the others. It works in steps that leave a stamp in .venv/.stamps, so a
# second call costs a fraction of a second; remove .venv to start over. See docs/install.md.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup apt demo checkpoint test test-habitat test-lerobot check bench docs clean

VENV := .venv
PYTHON := $(VENV)/bin/python
STAMPS := $(VENV)/.stamps
INTERFACE_FILES := $(shell find embodied_mem_interfaces scripts/tf2_msgs -type f 2>/dev/null)

# Spinning OpenMP threads ruin a shared machine; offscreen rendering needs no display.
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 0
export MUJOCO_GL ?= egl
export ROS_AUTOMATIC_DISCOVERY_RANGE ?= LOCALHOST
export FASTDDS_DEFAULT_PROFILES_FILE ?= $(CURDIR)/embodied_mem/ros/fastdds.xml
ifdef ROS_DISTRO
# An apt-installed ROS was sourced: our interfaces lie in the venv, outside its search paths.
export AMENT_PREFIX_PATH := $(CURDIR)/$(VENV):$(AMENT_PREFIX_PATH)
export LD_LIBRARY_PATH := $(CURDIR)/$(VENV)/lib:$(LD_LIBRARY_PATH)
endif

help:
	@echo "make setup   apt packages, .venv, Python packages, ROS interfaces (once; then instant)"
	@echo "make demo    a household episode on real ROS 2 nodes, its answers checked against the simulator"
	@echo "make checkpoint  train a small policy that remembers (RearrangeBlock) and run it, in minutes"
	@echo "make test    make check, then the whole test suite, ROS and MuJoCo included"
	@echo "make test-lerobot  memory in LeRobot's policies, in .venv-lerobot (made at the first call)"
	@echo "make check   formatting, lint and strict types"
	@echo "make bench   the quick benchmark of the whole path (full one: embodied-mem bench spine)"
	@echo "make docs    check every link of the documentation and render it to outputs/docs"
	@echo "make clean   remove what was built or written (not .venv)"

setup: $(STAMPS)/interfaces

apt:
	@scripts/setup_apt.sh

$(STAMPS)/python: setup.py constraints.txt scripts/setup_venv.sh scripts/fix_wheel_cmake.py | apt
	scripts/setup_venv.sh $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/interfaces: scripts/build_interfaces.sh $(INTERFACE_FILES) | apt $(STAMPS)/python
	scripts/build_interfaces.sh $(VENV)
	@mkdir -p $(STAMPS) && touch $@

demo: setup
	$(VENV)/bin/embodied-mem demo

check: setup
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy --strict embodied_mem

# Here a ROS or MuJoCo test that skips is a failure; with bare `pytest` it is a skip.
test: check
	EMBODIED_MEM_REQUIRE=ros,mujoco $(PYTHON) -m pytest

test-habitat: setup
	EMBODIED_MEM_REQUIRE=habitat,mujoco $(PYTHON) -m pytest tests/envs/habitat

# LeRobot has versions of its own, and so a venv of its own.
.venv-lerobot/.installed: setup.py constraints.txt scripts/setup_lerobot.sh
	scripts/setup_lerobot.sh .venv-lerobot
	@touch $@

test-lerobot: .venv-lerobot/.installed
	EMBODIED_MEM_REQUIRE=lerobot .venv-lerobot/bin/python -m pytest tests/policy/lerobot tests/benchmarks/suite/test_demos_in_lerobot.py

checkpoint: setup
	time $(VENV)/bin/embodied-mem train task=RearrangeBlock training.lessons=400 training.steps=250
	$(VENV)/bin/embodied-mem eval checkpoint=outputs/train/checkpoint.pt

bench: setup
	$(VENV)/bin/embodied-mem bench spine --quick

docs: setup
	$(PYTHON) scripts/build_docs.py outputs/docs

clean:
	rm -rf build install log outputs multirun .pytest_cache .mypy_cache .ruff_cache .hypothesis
