/* Passkeys on the pages of the authorization server: a form with data-passkey asks the device, and sends what it answers. Without it, passwords work. */
'use strict';

(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, '-')
      .replace(/\//g, '_')
      .replace(/=+$/, '');

  /** Options as the server writes them -> as the browser takes them. */
  function prepared(options) {
    const named = (list) => list && list.map((one) => ({ ...one, id: bytes(one.id) }));
    return {
      ...options,
      challenge: bytes(options.challenge),
      ...(options.user ? { user: { ...options.user, id: bytes(options.user.id) } } : {}),
      ...(options.excludeCredentials ? { excludeCredentials: named(options.excludeCredentials) } : {}),
    };
  }

  /** What the device answered, as JSON (WebAuthn 3, 5.1.8). */
  function answered({ id, rawId, type, response, authenticatorAttachment, getClientExtensionResults }, credential) {
    const parts = ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle'];
    const found = parts.filter((part) => response[part]).map((part) => [part, text(response[part])]);
    const clientExtensionResults = getClientExtensionResults.call(credential);
    return {
      id,
      rawId: text(rawId),
      type,
      authenticatorAttachment,
      clientExtensionResults,
      response: Object.fromEntries(found),
    };
  }

  if (!window.PublicKeyCredential) return;
  for (const form of document.querySelectorAll('form[data-passkey]')) {
    form.hidden = false;
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const { way, options } = JSON.parse(form.dataset.passkey);
      try {
        const credential = await navigator.credentials[way]({ publicKey: prepared(options) });
        form.elements.credential.value = JSON.stringify(answered(credential, credential));
      } catch (error) {
        // Somebody who changes her mind stays where she is.
        if (error.name === 'NotAllowedError' || error.name === 'AbortError') return;
        form.elements.credential.value = '';
      }
      form.submit();
    });
  }
})();
