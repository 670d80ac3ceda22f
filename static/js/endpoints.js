/** The list of endpoints, and the page of one. */
import "./endpoint_actions.js";
import "./reconciliation.js";
import { openForm } from "./endpoint_form.js";
import { findById } from "./page.js";
import { refreshTimes } from "./times.js";
import { nameWorkflows } from "./workflow_names.js";

findById("new")?.addEventListener("click", () => openForm());
nameWorkflows();
refreshTimes();
