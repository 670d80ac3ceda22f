/** The words of the pages for what the API names: statuses, triggers and modes. */
import { gettext } from "./translations.js";

/** @type {Record<string, string>} of executions, node runs and deliveries */
const STATUSES = {
  queued: gettext("queued"),
  pending: gettext("pending"),
  running: gettext("running"),
  waiting: gettext("waiting"),
  paused: gettext("paused"),
  retrying: gettext("retrying"),
  sending: gettext("sending"),
  completed: gettext("completed"),
  delivered: gettext("delivered"),
  failed: gettext("failed"),
  skipped: gettext("skipped"),
  cancelled: gettext("cancelled"),
  timed_out: gettext("timed out"),
};

/** @type {Record<string, string>} */
const TRIGGERS = {
  manual: gettext("manual"),
  api: gettext("api"),
  webhook: gettext("webhook"),
  schedule: gettext("schedule"),
  workflow: gettext("workflow"),
  rerun: gettext("rerun"),
  error: gettext("error"),
};

/** @type {Record<string, string>} */
const MODES = { live: gettext("live"), test: gettext("test"), debug: gettext("debug") };

/** Return the word for a status of an execution, a node run or a delivery. @param {string} status */
export const statusText = (status) => STATUSES[status] ?? status.replaceAll("_", " ");

/** Return the word for what started an execution. @param {string} trigger */
export const triggerText = (trigger) => TRIGGERS[trigger] ?? trigger;

/** Return the word for what an execution is for. @param {string} mode */
export const modeText = (mode) => MODES[mode] ?? mode;
