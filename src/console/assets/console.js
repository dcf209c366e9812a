// Behavior of the console beyond links and forms, which work without this script.
(() => {
  const READ_EVERY_MS = 3000;
  const COPIED_MS = 1500;
  const THEMES = ["", "light", "dark"];
  const root = document.documentElement;
  const htmx = window.htmx;
  let isPaused = false;
  let isReading = false;

  root.classList.add("scripted");

  /* Times are the reader's own; UTC stays in the title. */

  const today = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
  const otherDay = new Intl.DateTimeFormat(undefined, {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
  });

  function localTimes() {
    const day = new Date().toDateString();
    for (const element of document.querySelectorAll("time[datetime]")) {
      const date = new Date(element.dateTime);
      const format = date.toDateString() === day ? today : otherDay;
      const text = format.format(date);
      if (element.textContent !== text) element.textContent = text;
    }
  }

  /* A page that is looked at is read again, and changed only where it differs. */

  const page = () => document.querySelector("#page");

  function isInTheWay() {
    const selection = getSelection();
    return selection !== null && !selection.isCollapsed;
  }

  function showState(state) {
    root.dataset.live = state;
    const label = state === "paused" ? "Resume live updates" : "Pause live updates";
    document.querySelector("[data-pause]")?.setAttribute("aria-label", label);
  }

  async function readAgain() {
    const shown = page();
    if (isPaused || isReading || document.hidden || isInTheWay()) return;
    if (shown === null || shown.dataset.live === undefined) return;
    isReading = true;
    try {
      await htmx.ajax("GET", location.pathname + location.search, {
        target: "#page",
        select: "#page",
        swap: "outerMorph",
        headers: { "console-seen": shown.dataset.seen },
        readFrom: location.href,
      });
    } finally {
      isReading = false;
    }
  }

  htmx.registerExtension("console", {
    htmx_before_morph_node(_element, { oldNode, newNode }) {
      if (oldNode.tagName === "TIME") return oldNode.dateTime !== newNode.dateTime;
      return !(isReading && oldNode.id === "notice");
    },
    // Keeps whatever a reader has opened, typed or chosen.
    htmx_before_morph_attr(element, { attrName }) {
      if (!isReading) return true;
      if (element.tagName === "DETAILS") return attrName !== "open";
      return !(attrName === "value" && element.tagName === "INPUT" && element.type !== "hidden");
    },
  });

  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx, tasks } = event.detail;
    const isStale = ctx.readFrom !== undefined && (ctx.readFrom !== location.href || isInTheWay());
    // Something between here and the gateway has answered in its place.
    const isForeign =
      ctx.swap !== "none" && tasks.some(({ fragment }) => fragment.childElementCount === 0);
    // A page of the problem would not be read again, and the next reading may well be answered.
    const { status } = ctx.response;
    const isRefused = ctx.readFrom !== undefined && (status === 429 || status >= 500);
    if (isStale || isForeign || isRefused) event.preventDefault();
    if (isForeign || isRefused) showState("lost");
  });

  document.addEventListener("htmx:after:request", () => showState(isPaused ? "paused" : "live"));
  document.addEventListener("htmx:error", () => showState("lost"));

  document.addEventListener("htmx:after:swap", (event) => {
    localTimes();
    showState(isPaused ? "paused" : "live");
    const isRead = event.detail.ctx.readFrom !== undefined;
    if (!isRead) showSection();
    if (!isRead && document.activeElement === document.body) {
      document.querySelector("#main")?.focus({ preventScroll: true });
    }
  });

  function togglePause() {
    isPaused = !isPaused;
    showState(isPaused ? "paused" : "live");
    if (!isPaused) void readAgain();
  }

  document.addEventListener("visibilitychange", () => void readAgain());
  setInterval(() => void readAgain(), READ_EVERY_MS);

  /* Copying, also over plain HTTP, where browsers have no clipboard for pages. */

  async function copy(text) {
    if (navigator.clipboard !== undefined) {
      await navigator.clipboard.writeText(text);
      return;
    }
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }

  function nextTheme() {
    const at = THEMES.indexOf(root.dataset.theme ?? "");
    const theme = THEMES[(at + 1) % THEMES.length];
    if (theme === "") delete root.dataset.theme;
    else root.dataset.theme = theme;
    document.cookie = `ringback_theme=${theme}; path=/; max-age=31536000; samesite=strict`;
  }

  /** Selects all boxes of this name; all selected ones are given up. */
  function selectAll(name) {
    const boxes = [...document.querySelectorAll(`input[type="checkbox"][name="${name}"]`)];
    const isEach = boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = !isEach;
  }

  /** On a phone, the sections are one line, of which a part is seen. */
  function showSection() {
    const current = document.querySelector('.side [aria-current="page"]');
    const strip = current?.closest("nav");
    if (strip === null || strip === undefined || strip.scrollWidth <= strip.clientWidth) return;
    strip.scrollLeft = current.offsetLeft - (strip.clientWidth - current.offsetWidth) / 2;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button === null) return;
    if (button.dataset.copy !== undefined) {
      void copy(button.dataset.copy).then(() => {
        button.dataset.copied = "";
        setTimeout(() => delete button.dataset.copied, COPIED_MS);
      });
    } else if (button.dataset.selectAll !== undefined) selectAll(button.dataset.selectAll);
    else if (button.dataset.pause !== undefined) togglePause();
    else if (button.dataset.themeSwitch !== undefined) nextTheme();
  });

  /* Keys: j and k go along a list, Enter opens, / searches, Escape leaves a field, p pauses. */

  function moveInList(step) {
    const links = [...document.querySelectorAll("[data-row] a.row")];
    const at = links.indexOf(document.activeElement);
    const next = at === -1 ? (step > 0 ? 0 : links.length - 1) : at + step;
    links[Math.min(Math.max(next, 0), links.length - 1)]?.focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea") !== null) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "j") moveInList(1);
    else if (event.key === "k") moveInList(-1);
    else if (event.key === "p") togglePause();
    else if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search === null) return;
      event.preventDefault();
      search.focus();
    }
  });

  localTimes();
  showSection();
  showState("live");
})();
