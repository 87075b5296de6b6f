"""Every benchmark that `make bench` runs."""

from benchmarks import run_cost

run_cost.main()
