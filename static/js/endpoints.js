import "./endpoint_actions.js";
import "./hours.js";
import { openForm } from "./endpoint_form.js";
import { nameWorkflows } from "./names.js";
import { by } from "./page.js";
import { tell } from "./times.js";

by("new")?.addEventListener("click", () => openForm());
nameWorkflows();
tell();
