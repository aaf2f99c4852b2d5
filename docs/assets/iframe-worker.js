// Search without a server: browsers refuse workers to pages from the disk, so there a worker runs in a frame of the page.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.body.appendChild(document.createElement("iframe"));
      frame.hidden = true;
      const inside = frame.contentWindow;
      this.ready = new Promise((resolve) => {
        // What the worker says to its owner; scripts that it asks for are loaded one after the other.
        inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
        inside.importScripts = (...urls) =>
          urls.reduce((before, next) => before.then(() => load(inside.document, next)), Promise.resolve());
        load(inside.document, url).then(() => resolve(inside));
      });
    }
    postMessage(data) {
      this.ready.then((inside) => inside.dispatchEvent(new inside.MessageEvent("message", { data })));
    }
    terminate() {}
  };
}

function load(page, url) {
  return new Promise((resolve) => {
    const script = page.createElement("script");
    script.src = new URL(url, location.href);
    script.onload = resolve;
    page.body.append(script);
  });
}
