// A chosen picture file, as far as this browser can show it.

const LONGEST_SHOWN = 2048;

function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width));
  canvas.height = Math.max(1, Math.round(height));
  return canvas;
}

/**
 * Decode a picture upright and scale it down for display; the file itself is what the service gets.
 * Gives `{canvas, width, height}` with the full size, or null if this browser cannot read the type.
 */
export async function decode(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return null;
  }
  const { width, height } = bitmap;
  const scale = Math.min(1, LONGEST_SHOWN / Math.max(width, height));
  const canvas = canvasOf(width * scale, height * scale);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return { canvas, width, height };
}

/** A blank of the picture's size for types that the service reads and the browser does not. */
export function blank(width, height) {
  const scale = Math.min(1, LONGEST_SHOWN / Math.max(width, height));
  return { canvas: canvasOf(width * scale, height * scale), width, height };
}

/** The part of a shown picture inside a box, at most `size` pixels on its long side. */
export function cut({ canvas, width }, [x0, y0, x1, y1], size) {
  const scale = canvas.width / width;
  const [sw, sh] = [Math.max(1, (x1 - x0) * scale), Math.max(1, (y1 - y0) * scale)];
  const shrink = Math.min(1, size / Math.max(sw, sh));
  const piece = canvasOf(sw * shrink, sh * shrink);
  const context = piece.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, x0 * scale, y0 * scale, sw, sh, 0, 0, piece.width, piece.height);
  return piece;
}
