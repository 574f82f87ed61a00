// The form that asks for a password: in the uploader's place at first, above it when a token is about to end.

const $ = (id) => document.getElementById(id)

const WHY = {
  out: 'This server asks who you are before it takes files.',
  soon: 'Your sign-in ends in a moment. What is on its way goes on; new files will need your password.',
  ended: 'Your sign-in has ended. What is on its way goes on; new files wait here for your password.',
}

export class SignIn {
  /** `session` is asked and changed by it. */
  constructor(session) {
    this.session = session
    $('sign-in').addEventListener('submit', (event) => {
      event.preventDefault()
      this.#submit()
    })
  }

  /** Show what the session's state asks for. */
  show() {
    const { state, user } = this.session
    const isAgain = state === 'soon' || state === 'ended'
    const hadFocus = $('sign-in').contains(document.activeElement)
    $('sign-in').hidden = state === 'open' || state === 'in'
    $('sign-in').classList.toggle('again', isAgain)
    $('sign-in-why').textContent = WHY[state] ?? ''
    // It stays in the form: a password manager needs to know whose password it is.
    $('sign-in-name').readOnly = isAgain
    if (user && (isAgain || !$('sign-in-name').value)) $('sign-in-name').value = user
    if ($('sign-in').hidden) this.#clear()
    // Nothing takes the focus from somebody who is at work elsewhere on the page.
    if (state === 'out' && matchMedia('(pointer: fine)').matches && document.activeElement === document.body) {
      ;($('sign-in-name').value ? $('sign-in-password') : $('sign-in-name')).focus({ preventScroll: true })
    }
    if (hadFocus && $('sign-in').hidden) $('title').focus({ preventScroll: true })
  }

  #clear() {
    $('sign-in-password').value = ''
    this.#say('')
  }

  async #submit() {
    if ($('sign-in-button').disabled) return
    $('sign-in-button').disabled = true
    try {
      await this.session.signIn($('sign-in-name').value, $('sign-in-password').value)
    } catch (error) {
      this.#say(error.message)
      $('sign-in-password').select()
      $('sign-in-password').focus()
    }
    $('sign-in-button').disabled = false
  }

  #say(text) {
    $('sign-in-error').textContent = text
    $('sign-in-error').hidden = !text
    for (const id of ['sign-in-name', 'sign-in-password']) {
      if (text) $(id).setAttribute('aria-invalid', 'true')
      else $(id).removeAttribute('aria-invalid')
    }
  }
}
