/** The approvals: decided here, and fetched again when an execution starts or stops waiting. */
import { showConnection } from "./connection.js";
import { onDecision } from "./decisions.js";
import { EventStream } from "./event_stream.js";
import { data, findById } from "./page.js";
import { refresher } from "./refresh.js";

const KINDS = ["waiting", "resumed", "paused", "completed", "failed", "cancelled", "timed_out"];
const PAUSE = 400; // ms between requests

const refresh = refresher("approvals", PAUSE);
onDecision(document, refresh);
const connection = new EventStream();
showConnection(connection);
const types = KINDS.map((kind) => `execution.${kind}`);
connection.subscribe("executions", { after: data.head, types, onEvents: refresh });

const filters = findById("filters", HTMLFormElement);
filters?.addEventListener("change", () => filters.submit());
