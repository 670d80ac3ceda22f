/** Starts the bell. The templates load it on every page, after the page's own module. */
import { follow } from "./notification_panel.js";
import { findById } from "./page.js";

const bell = findById("bell");
if (bell?.dataset.stream) follow(bell);
