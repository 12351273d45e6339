"use strict";
// What features add. Each part stands in a function of its own.
