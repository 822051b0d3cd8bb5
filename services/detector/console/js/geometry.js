// Boxes [x0, y0, x1, y1] in pixels of the upright, full-size picture.

export function area([x0, y0, x1, y1]) {
  return Math.max(0, x1 - x0) * Math.max(0, y1 - y0);
}

export function overlap(a, b) {
  const shared = area([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  return shared === 0 ? 0 : shared / (area(a) + area(b) - shared);
}

/** The box between two corners in any order, inside the picture, at least `least` pixels wide and high. */
export function boxBetween([ax, ay], [bx, by], width, height, least) {
  const clamp = (value, limit) => Math.min(Math.max(value, 0), limit);
  const [x0, x1] = [clamp(Math.min(ax, bx), width), clamp(Math.max(ax, bx), width)];
  const [y0, y1] = [clamp(Math.min(ay, by), height), clamp(Math.max(ay, by), height)];
  const left = Math.min(x0, Math.max(0, width - least));
  const top = Math.min(y0, Math.max(0, height - least));
  return [left, top, Math.min(width, Math.max(x1, left + least)), Math.min(height, Math.max(y1, top + least))];
}

/** The box moved as a whole and kept inside the picture. */
export function moved([x0, y0, x1, y1], dx, dy, width, height) {
  const [sx, sy] = [Math.min(Math.max(dx, -x0), width - x1), Math.min(Math.max(dy, -y0), height - y1)];
  return [x0 + sx, y0 + sy, x1 + sx, y1 + sy];
}

/** The box with its lower right corner moved. */
export function resized([x0, y0, x1, y1], dx, dy, width, height, least) {
  return [x0, y0, Math.min(width, Math.max(x0 + least, x1 + dx)), Math.min(height, Math.max(y0 + least, y1 + dy))];
}

/** A box in the middle of the picture. */
export function middle(width, height) {
  return [width * 0.3, height * 0.3, width * 0.7, height * 0.7];
}
