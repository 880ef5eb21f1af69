/** The style sheet of the status page. */
export const STYLE = `
:root { --bg: #f5f6f8; --card: #fff; --line: #e2e5ea; --text: #1b2330; --soft: #5d6878; --ok: #137a4b;
  --ok-bg: #dff5ea; --bad: #b3261e; --bad-bg: #fde7e5; --accent: #2457c5; }
@media (prefers-color-scheme: dark) {
  :root { --bg: #10141a; --card: #181e27; --line: #2a323e; --text: #e6eaf0; --soft: #98a4b5; --ok: #6fdca6;
    --ok-bg: #12392a; --bad: #ff9a92; --bad-bg: #47201d; --accent: #8fb4ff; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 28px 24px; background: var(--bg); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
header, footer { display: flex; flex-wrap: wrap; gap: 12px; justify-content: space-between; align-items: center; }
h1 { margin: 0; font-size: 24px; letter-spacing: -.01em; }
h2 { margin: 0; font-size: 17px; }
h3 { margin: 18px 0 6px; font-size: 12px; font-weight: 600; color: var(--soft); text-transform: uppercase;
  letter-spacing: .05em; }
p { margin: 0; }
#about, #updated { color: var(--soft); font-size: 13px; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); gap: 18px;
  margin: 22px 0; align-items: start; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px;
  min-width: 0; }
.card.wide { grid-column: 1 / -1; order: -1; }
dd .pill, td .pill { padding: 1px 9px; }
.card > div:first-child { display: flex; justify-content: space-between; align-items: center; gap: 12px; }
.pill { padding: 3px 12px; border-radius: 99px; font-size: 13px; font-weight: 600; background: var(--line);
  white-space: nowrap; }
.pill.ok { background: var(--ok-bg); color: var(--ok); }
.pill.bad { background: var(--bad-bg); color: var(--bad); }
.banner { margin-top: 16px; padding: 10px 14px; border-radius: 8px; background: var(--bad-bg); color: var(--bad); }
.reason { margin-top: 10px; color: var(--bad); }
dl { display: grid; grid-template-columns: minmax(9em, max-content) 1fr; gap: 5px 20px; margin: 12px 0 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--soft); white-space: nowrap; }
th, td { padding: 5px 16px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
.none { color: var(--soft); }
a { color: var(--accent); }
nav { display: flex; gap: 16px; font-size: 13px; }
`;
