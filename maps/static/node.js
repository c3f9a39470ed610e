"use strict";

/** Returns a new element. Text of the data enters as text nodes only, never as markup. */
function node(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
