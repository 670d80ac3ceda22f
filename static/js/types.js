/**
 * Types that several modules share. No code.
 *
 * @typedef {import("./event_stream.js").Envelope} Envelope
 *
 * @typedef {object} GraphNode
 * @property {string} id
 * @property {string} name
 * @property {string} type
 * @property {string} label of the type
 * @property {string} icon
 * @property {boolean} trigger
 * @property {number | null} cycle the number of the cycle that it is part of
 * @typedef {{source: string, source_output: string, target: string, target_input: string}} Edge
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 * @typedef {{width: number, height: number, nodes: Record<string, Box>, edges: (Edge & {path: string})[]}} Layout
 * @typedef {{nodes: GraphNode[], layout: Layout}} Graph
 * @typedef {{id: string, kind: "loop" | "branch" | "own", name: string, nodes: string[]}} NodeGroup
 *
 * @typedef {{parameter: string, source: string, item: number, line: number | null,
 *            column: number | null}} FailedExpression
 * @typedef {{method?: string, url?: string, headers?: Record<string, string | string[]>, body?: string | null,
 *            bytes?: number, truncated?: boolean, status?: number | string, [name: string]: any}} Message what was sent to
 *   another system or received
 * @typedef {{item: number, attempt: number, request: Message, answer?: Message, error?: string}} Exchange
 * @typedef {{message: string, type?: string, node?: string, expression?: FailedExpression,
 *            response?: Message}} Failure an error as events and the API carry it, events without `response`
 * @typedef {{attempt: number, ended_at: string | null, duration_ms: number | null, error: Failure | null,
 *            retry_at?: string}} Attempt an earlier one has the time at which the next one was due
 *
 * @typedef {object} NodeRunAnswer a node run as the API has it
 * @property {string} status
 * @property {number} run_index
 * @property {number} attempt
 * @property {Failure | null} error
 * @property {Attempt[]} attempts
 * @property {Record<string, unknown> | null} parameters
 * @property {number | null} parameters_item
 * @property {boolean} parameters_truncated
 * @property {string | null} digest
 * @property {string | null} request_digest
 * @property {{count: number, exchanges: Exchange[]} | null} exchange
 * @property {Record<string, unknown[]>} inputs
 * @property {Record<string, unknown[]>} outputs
 * @property {{inputs: Record<string, number>, outputs: Record<string, number>}} totals
 * @property {{node: string, run_index: number, output: string, items: number}[]} sources
 * @property {{count: number, newest: {id: string, status: string, status_code: number | null}[]}} deliveries
 * @typedef {{attempt: number, at: string, delayMs: number, error: Failure}} Retry
 * @typedef {{kind: "wait" | "retry", from: string, to: string | null}} Pause
 * @typedef {{kind: string, reason: string, until: string | null, wait: string}} WaitsFor
 * @typedef {{completed: number, failed: number, total: number}} ItemProgress of the input items of a node run
 *
 * @typedef {{waits?: Record<string, number>, calls?: Record<string, number>}} NodeCost in ms, bytes and counts
 *
 * @typedef {object} Run one run of a node
 * @property {string} node
 * @property {string} name
 * @property {string} type
 * @property {number} runIndex
 * @property {string} status
 * @property {number} attempt
 * @property {string} startedAt
 * @property {string | null} endedAt
 * @property {Retry[]} retries
 * @property {Pause[]} pauses when it waited, for an event or for its next attempt
 * @property {string} [readyAt] when its last items arrived
 * @property {WaitsFor} [waitsFor]
 * @property {string} [child] the execution that it started
 * @property {number} [inputItems]
 * @property {number} [items] of its output
 * @property {number} [outputBytes]
 * @property {number} [failedItems] input items that failed for good
 * @property {ItemProgress} [progress] while it runs
 * @property {number} [durationMs] from its start to its end
 * @property {number} [cpuMs]
 * @property {number | null} [memoryBytes] the peak in a sandbox process
 * @property {NodeCost} [cost] over all attempts
 * @property {boolean} [fromCache]
 * @property {string | null} [reusedFrom] the execution whose saved output it reuses
 * @property {Failure | null} [error]
 * @property {boolean} [apart] older than the runs that a partial state holds
 *
 * @typedef {{edge: Edge, items: number | null, reused: boolean}} Flow `items` is null if their number is unknown
 * @typedef {{completed?: number, total?: number}} Progress
 * @typedef {{p50: number, p95: number}} Percentiles in ms
 * @typedef {{runs: number, samples: number, duration_ms: Percentiles}} ExpectedNode
 * @typedef {{executions: number, same_version: boolean, duration_ms: Percentiles | null,
 *            nodes: Record<string, ExpectedNode>}} Expected
 * @typedef {{withdrawn: number, arrived: number, under_way: number, left?: number}} Withdrawal
 *
 * @typedef {object} State what the monitor shows
 * @property {boolean} partial whether it was built from rows, without the earlier events
 * @property {number} sequence
 * @property {string} status
 * @property {Map<string, Run>} runs by `node#runIndex`
 * @property {Map<string, Run>} nodes the latest run by node
 * @property {Map<string, Run[]>} lanes the runs by node, without those that are apart
 * @property {Map<string, Flow>} edges by `edgeKey`
 * @property {number} flowsThrough the last event whose items a snapshot has counted
 * @property {Map<string, string>} arrivals by node, when items last arrived
 * @property {Progress | null} progress
 * @property {Failure | null} error
 * @property {string | null} startedAt
 * @property {string | null} endedAt
 * @property {{duration_ms: number, nodes_executed?: number} | null} summary
 * @property {Record<string, string>} attributes
 * @property {string | null} cachedFrom
 * @property {Withdrawal | null} withdrawn
 *
 * @typedef {{field?: string, message: string, node?: string, edge?: number, line?: number | null}} FieldProblem
 *
 * @typedef {{state: string, sequence: number, total: number, offset_ms: number, duration_ms: number,
 *            speed: number}} ReplayFacts
 * @typedef {ReplayFacts & {id: string, stream: string, first_time: string}} Replay
 *
 * @typedef {{type: string, label: string, description: string,
 *            schema: {properties: Record<string, any>, required?: string[]}}} CredentialType
 * @typedef {{preset: string, description: string, in_words: string}} RetryPreset
 *
 * @typedef {object} TestRequest a request to the test URL of a webhook trigger
 * @property {string} id
 * @property {string} received_at
 * @property {string | null} address
 * @property {boolean} accepted
 * @property {number} status_code
 * @property {string} reason
 * @property {number} body_bytes
 * @property {boolean} whole whether the body was kept in full
 * @property {any} item
 *
 * @typedef {object} PageData what the server gives to a page in `#page-data`; each page has its part of it
 * @property {string} icons URL of icons.svg
 * @property {string} feed (events) the stream of the history
 * @property {number} head (lists, monitor) the last sequence that the page shows
 * @property {string} execution (monitor)
 * @property {Graph} graph (monitor, workflow)
 * @property {Replay | null} replay (monitor)
 * @property {boolean} removed (monitor) whether retention has removed the events
 * @property {boolean} pausing (monitor) whether a pause is pending
 * @property {string | null} rerun_of (monitor)
 * @property {string | null} trigger_node (monitor)
 * @property {Expected} expected (monitor)
 * @property {string} server_time (monitor)
 * @property {string} queued_at (monitor)
 * @property {{workflow: string, offered: NodeGroup[], own: {id: string, name: string, nodes: string[]}[],
 *             collapsed: string[]}} groups (monitor)
 * @property {string} workflow (workflow)
 * @property {number} version (workflow) the number of the version that the page shows
 * @property {number} latest_version (workflow) the number of the latest version when the page was opened
 * @property {any} definition (workflow)
 * @property {any[]} sample_input (workflow)
 * @property {TestRequest[]} hook_requests (workflow)
 * @property {string} id (delivery)
 * @property {CredentialType[] & Record<string, string>} types (credentials: a list; webhooks: by event type)
 * @property {RetryPreset[]} presets (webhooks)
 * @property {string} workspace (workspace)
 * @property {string} name (workspace)
 */

export {};
