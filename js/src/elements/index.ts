// <syncline-status>, <syncline-progress>, <syncline-conflicts>, <syncline-recovery> and
// <syncline-devices>: custom elements for any framework or none.
export { StatusElement } from "./status.js";
export { ProgressElement } from "./progress.js";
export { ConflictsElement } from "./conflicts.js";
export { RecoveryElement } from "./recovery.js";
export { DevicesElement } from "./devices.js";
