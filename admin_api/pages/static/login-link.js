// The link's secret stands behind '#', which browsers send to nobody: it leaves by this form alone, and not by the address.
"use strict";
const secret = location.hash.slice(1);
if (secret) {
  history.replaceState(null, "", location.pathname);
  document.getElementById("link").value = secret;
  document.getElementById("link-form").submit();
}
