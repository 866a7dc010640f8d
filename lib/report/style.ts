/** The page's style: one column on a phone, two where there is room; light and dark by the reader's setting. */
export const STYLE = `
:root { color-scheme: light dark;
  --page: #f9f9f7; --card: #fff; --ink: #16181d; --muted: #5b616b; --line: #e1e3e6; --grid: #e8eaed; --axis: #aab0b8;
  --plan-0: #7b7f87; --plan-1: #2a6fd6; --plan-2: #0f8a7a; --plan-3: #c2591b; --plan-4: #b3427f; --plan-5: #6a51c7;
  --plan-6: #8a6d3b; --plan-7: #3f8f2c; --score: #6a51c7;
  --good: #177a43; --bad: #b3372c; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14161a; --card: #1c1f25; --ink: #eceef1; --muted: #a2a9b4; --line: #30343c; --grid: #2a2e35; --axis: #5d6470;
  --plan-0: #a9afb9; --plan-1: #62a0f5; --plan-2: #3fc2ae; --plan-3: #f0935a; --plan-4: #e07db1; --plan-5: #a493f0;
  --plan-6: #d2a75f; --plan-7: #86c96f; --score: #a493f0;
  --good: #5cc98b; --bad: #f08a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 64px; }
header p.name { margin: 0; color: var(--muted); }
h1 { font-size: clamp(1.3rem, 3vw, 1.6rem); line-height: 1.25; margin: 4px 0 12px; text-wrap: balance; }
h2 { font-size: 1.1rem; margin: 0 0 4px; }
.remarks { margin: 0 0 24px; padding-left: 20px; color: var(--muted); }
.grid { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); align-items: start; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px; min-width: 0; }
section.wide { grid-column: 1 / -1; }
section > p { margin: 0 0 12px; color: var(--muted); font-size: 0.9rem; }
figure { margin: 0; } svg { display: block; width: 100%; height: auto; }
h3 { font-size: 0.95rem; margin: 12px 0 4px; } section > p + p { margin-top: -8px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.92rem; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { color: var(--muted); font-weight: 600; } td { vertical-align: top; } tr.family td { color: var(--muted); font-weight: 600; padding-top: 14px; }
.compared th { white-space: normal; } .compared th, .compared td { padding: 4px 7px; } section.half table { max-width: 640px; } td small { display: block; color: var(--muted); font-size: 0.8rem; white-space: normal; }
.good { color: var(--good); } .bad { color: var(--bad); }
.tag { display: inline-block; flex: none; white-space: nowrap; padding: 0 8px; border: 1px solid var(--line); border-radius: 999px; color: var(--muted); font-size: 0.8rem; }
.swatch { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; }
.filter { display: flex; flex-wrap: wrap; gap: 4px 16px; margin-bottom: 8px; font-size: 0.9rem; } .filter label { cursor: pointer; }
nav { margin: 0 0 12px; font-size: 0.9rem; color: var(--muted); } a { color: var(--plan-1); } article { margin-top: 40px; padding-top: 8px; border-top: 2px solid var(--line); }
article > header h2 { font-size: 1.3rem; line-height: 1.3; }
.row { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); } .row > * { min-width: 0; }
details { border-bottom: 1px solid var(--line); padding: 8px 0; }
summary { cursor: pointer; display: flex; gap: 8px; align-items: baseline; min-width: 0; }
summary::before { content: '▸'; color: var(--muted); flex: none; } details[open] > summary::before { content: '▾'; }
summary .score { font-variant-numeric: tabular-nums; min-width: 4.5em; flex: none; }
summary .first { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-width: 0; }
pre { margin: 8px 0 0; padding: 12px; background: var(--page); border-radius: 6px; overflow-x: auto; font-size: 0.82rem; line-height: 1.45; }
pre.text { white-space: pre-wrap; overflow-wrap: anywhere; font-family: inherit; font-size: 0.9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 0; font-size: 0.92rem; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
`;
