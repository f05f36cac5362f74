// What is done to jobs: of one that is shown, or of many that are selected.
import { h, toast } from "./dom.js";
import { jobPath, post } from "./api.js";
import { confirm } from "./dialogs.js";

export const ACTIONS = {
  stop: { key: "S", label: "Stop", text: "A job that waits is cancelled, one that runs is asked to stop." },
  retry: { key: "E", label: "Run now", text: "A job that is delayed, or waits for its next try, is queued at once." },
  requeue: { key: "R", label: "Requeue", text: "Jobs that have ended run again; one that is queued still runs once." },
  delete: { key: "D", label: "Delete", text: "The job, with its script and output, is gone for good.", bad: true },
};

export function act(what, ids, done) {
  if (!ids.length) return toast("Nothing is selected: x selects a row");
  const action = ACTIONS[what];
  const many = ids.length === 1 ? "this job" : `${ids.length} jobs`;
  confirm(`${action.label} ${many}?`, action.text, action.label, async () => {
    let failed = null;
    let count = 0;
    for (const id of ids) {
      try {
        await post(`${jobPath(id)}/${what}`);
        count += 1;
      } catch (error) {
        failed = error;
        if (error.status === 401 || error.status === 403 || error.status === 0) break;
      }
    }
    if (failed && (ids.length === 1 || count === 0)) throw failed;
    toast(failed ? `${count} of ${ids.length}: ${failed.message}` : `${action.label}: done${ids.length > 1 ? `, ${count} jobs` : ""}`, !!failed);
    done(count);
  }, ids);
}

// The buttons, and the function that a key is given to.
export function actionBar(ids, done) {
  const buttons = Object.entries(ACTIONS).map(([what, action]) =>
    h("button", { type: "button", class: action.bad ? "danger" : null, "aria-keyshortcuts": action.key, onclick: () => act(what, ids(), done) }, action.label));
  const onkey = (key) => {
    const found = Object.entries(ACTIONS).find(([, action]) => action.key === key);
    if (found) act(found[0], ids(), done);
    return !!found;
  };
  return { buttons, onkey };
}
