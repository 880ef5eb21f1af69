import { comeBack, cut, online, restart } from "./chapters.ts";
import { median } from "./comparison.ts";
import type { Figures, Stage } from "./stage.ts";
import { formatBytes, formatMs, type Timeline } from "./timeline.ts";

/**
 * Tells the story; the timeline knows how it went.
 * @throws the reason of `signal` when that aborts.
 */
export async function tellStory(stage: Stage, signal: AbortSignal): Promise<void> {
  const { timeline } = stage.parts;
  // Whatever is waited for ends at once, so that the current step ends too.
  const hangUp = () => void stage.hangUp();
  signal.addEventListener("abort", hangUp, { once: true });
  try {
    if (await online(stage)) {
      await cut(stage);
      if (await restart(stage)) await comeBack(stage);
    }
  } finally {
    signal.removeEventListener("abort", hangUp);
  }
  summarise(timeline, stage.figures);
}

function summarise(timeline: Timeline, figures: Figures): void {
  const { laterAnswersMs = [] } = figures;
  const ms = (value: number | undefined) => value === undefined ? "not reached" : formatMs(value);
  const bytes = (value: number | undefined) =>
    value === undefined ? "not reached" : formatBytes(value);
  timeline.heading("Measured");
  timeline.figure("objects kept on the node", String(figures.cachedObjects ?? "not reached"));
  timeline.figure("change online to its watch", ms(figures.changeMs));
  timeline.figure("first answer after the cut", `${ms(figures.firstAnswerMs)} (budget 3 s)`);
  timeline.figure(
    "later answers",
    laterAnswersMs.length === 0
      ? "not reached"
      : `median ${ms(median(laterAnswersMs))}, slowest ${
        ms(Math.max(...laterAnswersMs))
      } (budget 50 ms)`,
  );
  timeline.figure("first answer after a restart", ms(figures.afterRestartMs));
  timeline.figure("link back to the difference", ms(figures.differenceMs));
  timeline.figure("lists the cloud sent again", String(figures.relists ?? "not reached"));
  timeline.figure(
    "down the link",
    `${bytes(figures.bytesFirstSync)} for the first lists, ${
      bytes(figures.bytesAfterReturn)
    } after its return`,
  );
  const seconds = (timeline.elapsedMs / 1_000).toFixed(1);
  const total = timeline.held + timeline.failed;
  timeline.heading(
    timeline.failed === 0
      ? `All ${total} steps held, in ${seconds} s.`
      : `${timeline.failed} of ${total} steps failed, in ${seconds} s.`,
  );
}
