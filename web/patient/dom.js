/** Making elements, and saying what happens: nothing that came from a server is ever read as HTML. */
import { texts } from './language.js';

/** An element with attributes (`on*`: listeners) and children (elements or texts). */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** Puts these in place of what an element holds. */
export function fill(selector, ...children) {
  document.querySelector(selector).replaceChildren(...children);
}

/** One sentence where everybody sees (and hears) it. */
export function say(text, isProblem = false) {
  const place = document.querySelector('#said');
  place.textContent = text;
  place.className = isProblem ? 'problem' : text === '' ? '' : 'done';
}

/** Runs what a button or form does: shows that it is under way, and what became of it. */
export async function doing(text, task, done) {
  document.body.setAttribute('aria-busy', 'true');
  for (const button of document.querySelectorAll('button')) button.disabled = true;
  say(text);
  try {
    await task();
    say(done);
  } catch (error) {
    // Whoever closes the window of her passkey or wallet did not want it.
    say(error.name === 'NotAllowedError' || error.code === 4001 ? texts.notConfirmed : error.message, true);
  } finally {
    document.body.removeAttribute('aria-busy');
    for (const button of document.querySelectorAll('button')) button.disabled = false;
  }
}
