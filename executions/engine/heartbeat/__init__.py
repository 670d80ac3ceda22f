"""The renewal of a worker's leases by a process of its own, which no lock of the worker's interpreter holds up."""
