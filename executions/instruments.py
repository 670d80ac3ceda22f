"""What the processes measure of executions."""

from workflow_platform.core.instruments import Counter, Gauge, Histogram

_CACHES = {"kind": ("node", "execution")}

CACHE_HITS = Counter(
    "cache_hits_total", "Results that the cache served instead of running a node or workflow.", _CACHES
)
CACHE_MISSES = Counter("cache_misses_total", "Results that the cache did not have.", _CACHES)
SLOTS = Gauge("worker_slots", "Slots of the workers (WORKER_CONCURRENCY).", {"state": ("busy", "free")})
TURN_DELAY = Gauge(
    "worker_turn_delay_seconds", "How late executions get their turn, in the slowest worker.", greatest=True
)
COMMIT_SECONDS = Histogram("commit_seconds", "Duration of the group commits of workers, with repetitions.")
COMMITTED_CHANGES = Counter("commit_changes_total", "Changes of executions that workers have committed.")
