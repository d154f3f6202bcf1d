/** Samples a second of all clips. */
export const CLIP_RATE = 8000;
/** No clip is longer, whether it is spoken or a file of the sounds folder. */
export const MAX_CLIP_SECONDS = 60;
