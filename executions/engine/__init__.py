"""The engine: runs executions in a worker process.

The data flow, from a claim to the log::

    recorder.claim → ExecutionActor(driver, claimed).start()
    ExecutionActor   Mailbox · tick · advance. Owns the four below; the only one that submits changes.
      ExecutionState   execution, lease, requests, `uncommitted`; predicates, no behaviour.
      NodeRunner       rows, active and waiting node runs, ended attempts. Returns Changes.
        Planner          which node runs are ready (flow, gathering, liveness; pure).
        NodeAttempt      one attempt: in the actor's turn, in a node thread, or in a sandbox process (sandbox_runner).
        Checkpoints      a node run's output, end, flows and progress in one Change. Owns ExecutionOutputs.
      Journal          Change → Recorder; counts what is uncommitted, ends the actor when a commit fails.
      ExecutionCache   the result of a whole execution in the result cache.

Calls go down; events come back as messages to the actor: `tick` (driver), `on_control_request` and
`on_lease_lost` (lease), an ended attempt (node thread), a commit (recorder). The driver gives turns to actors, fairly
by workspace (fair_share, mailbox, turn_latency). The recorder commits the changes of many executions together (commit,
rows, bulk).

Other packages may use `actor`, `definition`, `driver`, `fair_share`, `lease` and `recorder`.
"""
