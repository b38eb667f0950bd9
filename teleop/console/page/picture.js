// A camera's newest picture with its outlines; says when it is on the screen.

const STALE_MS = 1000;
const SVG = "http://www.w3.org/2000/svg";

export class Picture {
  constructor(figure, camera, link) {
    Object.assign(this, { figure, camera, link, ageMs: null });
    figure.classList.add("picture");
    figure.style.aspectRatio = `${camera.width} / ${camera.height}`;
    figure.innerHTML = `<img alt=""><svg viewBox="-0.5 -0.5 ${camera.width} ${camera.height}" preserveAspectRatio="none"></svg><figcaption></figcaption>`;
    this.image = figure.querySelector("img");
    this.drawing = figure.querySelector("svg");
    this.outlines = this.drawing.appendChild(document.createElementNS(SVG, "g"));
    figure.querySelector("figcaption").textContent = camera.name;
    this.shownAt = 0;
    setInterval(() => figure.classList.toggle("stale", performance.now() - this.shownAt > STALE_MS), 250);
  }

  async show({ age_ms, outlines, jpeg }) {
    const url = URL.createObjectURL(jpeg);
    this.image.src = url;
    try {
      await this.image.decode();
    } catch {
      return; // the next one comes
    } finally {
      if (this.url) URL.revokeObjectURL(this.url);
      this.url = url;
      this.link.send({ t: "shown", camera: this.camera.name });
    }
    this.ageMs = age_ms;
    this.shownAt = performance.now();
    this.outlines.replaceChildren(...outlines.map(([kind, corners]) => {
      const polygon = document.createElementNS(SVG, "polygon");
      polygon.setAttribute("class", kind);
      polygon.setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
      return polygon;
    }));
  }

  // The pixel under a pointer; its centre is a whole number, as in the camera's matrix.
  pixelOf({ clientX, clientY }) {
    const box = this.image.getBoundingClientRect();
    return [
      ((clientX - box.left) / box.width) * this.camera.width - 0.5,
      ((clientY - box.top) / box.height) * this.camera.height - 0.5,
    ];
  }

  // Where the finger is, at once: the pusher follows as fast as it may.
  markFinger(pixel) {
    if (!this.finger) {
      this.finger = this.drawing.appendChild(document.createElementNS(SVG, "circle"));
      this.finger.setAttribute("class", "finger");
      this.finger.setAttribute("r", this.camera.width / 60);
    }
    this.finger.style.display = pixel ? "" : "none";
    if (pixel) {
      this.finger.setAttribute("cx", pixel[0]);
      this.finger.setAttribute("cy", pixel[1]);
    }
  }
}
