# Every sentence a person reads from wafer-keeper. Named parts, no gluing: each message is whole.
# $program: who asks. $token: the token's label. $key: the key's label. $others: how many more wait.

title = Wafer
prompt-pin = PIN:
prompt-old = Old PIN:
prompt-puk = PUK:
prompt-new = New PIN:
prompt-again = New PIN again:
prompt-password = Password:
button-ok = OK
button-cancel = Cancel
button-try = Try once more
button-allow = Allow once

# Who asks, and how surely that is known: part of the dialogs below.
who =
    { $certainty ->
        [executable] The program { $program } (process { $pid })
        [sandbox] The application { $program }
        [page] The web page { $program }
       *[unknown] An unknown program (process { $pid })
    }
# Which card, and which of its PINs: part of the dialogs below.
card =
    { $pin ->
        [global] Token: { $token } (serial number { $serial }). Enter its global PIN, the one for the whole card.
       *[only] Token: { $token } (serial number { $serial })
    }
# How many tries are left: part of the dialogs below.
tries =
    { $tries ->
        [low] Wrong PINs were entered before: few tries are left.
        [last] This is the last try before the PIN is blocked.
        [counted] { $count } tries are left.
       *[unknown] The token does not say how many tries are left.
    }

dialog-pin =
    { who } { $purpose ->
        [sign] wants to sign with the key “{ $key }”.
        [decrypt] wants to decrypt with the key “{ $key }”.
       *[unlock] wants to unlock the token.
    }
    { card }
    { tries }
dialog-pin-others =
    { who } { $purpose ->
        [sign] wants to sign with the key “{ $key }”.
        [decrypt] wants to decrypt with the key “{ $key }”.
       *[unlock] wants to unlock the token.
    }
    { $others ->
        [one] One more request waits for the same PIN.
       *[other] { $others } more requests wait for the same PIN.
    }
    { card }
    { tries }
dialog-pin-each-use =
    { who } { $purpose ->
        [sign] wants to sign with the key “{ $key }”.
       *[decrypt] wants to decrypt with the key “{ $key }”.
    }
    This key asks for its PIN at every use.
    { card }
    { tries }
dialog-confirm =
    { who } { $purpose ->
        [sign] wants to sign once with the key “{ $key }” of { $token }.
       *[decrypt] wants to decrypt once with the key “{ $key }” of { $token }.
    }
    This key asks at every use. Its PIN was entered before and will be used.
dialog-pin-pad =
    { who } { $purpose ->
        [sign] wants to sign with the key “{ $key }”.
        [decrypt] wants to decrypt with the key “{ $key }”.
       *[unlock] wants to unlock the token.
    }
    Please enter the PIN of { $token } on the card reader.
    { tries }
dialog-pin-pad-again =
    That PIN was wrong. Please enter the PIN of { $token } on the card reader again.
    { who } { $purpose ->
        [sign] wants to sign with the key “{ $key }”.
        [decrypt] wants to decrypt with the key “{ $key }”.
       *[unlock] wants to unlock the token.
    }
    { tries }
# The token is a key file: its password is what a card's PIN is.
dialog-password =
    { who } { $purpose ->
        [sign] wants to sign with the key “{ $key }”.
        [decrypt] wants to decrypt with the key “{ $key }”.
       *[unlock] wants to unlock a key file.
    }
    Please enter the password of the file { $token }.
dialog-password-others =
    { who } { $purpose ->
        [sign] wants to sign with the key “{ $key }”.
        [decrypt] wants to decrypt with the key “{ $key }”.
       *[unlock] wants to unlock a key file.
    }
    { $others ->
        [one] One more request waits for the same password.
       *[other] { $others } more requests wait for the same password.
    }
    Please enter the password of the file { $token }.
dialog-import =
    { who } wants Wafer to keep the keys in the file { $object }.
    Please enter the password of this file (nothing, if it has none).
dialog-last-try =
    Only one try is left for the PIN of { $token }.
    If the next PIN is wrong too, the PIN is blocked and only its PUK or your administrator can help.
dialog-last-puk =
    Only one try is left for the PUK of { $token }.
    If the next PUK is wrong too, the PIN can never be unblocked with it again.

# Another PIN: first the old one or the PUK, then the new one twice.
dialog-change =
    { who } { $purpose ->
        [unblock] wants to unblock the PIN. Please enter the PUK (or the security officer's PIN).
       *[change] wants to change the PIN. Please enter the old PIN.
    }
    { card }
    { tries }
dialog-new-pin =
    Please enter the new PIN of { $token }, and then once more.

# The card that is needed is absent. The dialog closes by itself when it appears.
dialog-insert =
    { who } { $purpose ->
        [sign] wants to sign. The key is on the card “{ $token }”.
        [decrypt] wants to decrypt. The key is on the card “{ $token }”.
       *[unlock] wants to unlock the card “{ $token }”.
    }
    Please insert this card.
dialog-insert-others =
    { who } { $purpose ->
        [sign] wants to sign. The key is on the card “{ $token }”.
        [decrypt] wants to decrypt. The key is on the card “{ $token }”.
       *[unlock] wants to unlock the card “{ $token }”.
    }
    { $others ->
        [one] One more request waits for the same card.
       *[other] { $others } more requests wait for the same card.
    }
    Please insert this card.

# A program wants something that is the person's to allow. The program's name may be another's, as SECURITY.md says.
dialog-consent =
    { who } { $purpose ->
        [sign] wants to sign with your key “{ $object }” on { $token }.
        [decrypt] wants to decrypt with your key “{ $object }” on { $token }.
        [recipient] wants to change whose certificate mail is encrypted to: { $object }
        [trust] wants to change whom you trust: { $object }
        [removal] wants to remove your keys from Wafer: { $object }
       *[setting] wants to change a setting so that it protects less: { $object }
    }
    Do you allow this?
dialog-consent-time =
    { who }
    For how long do you allow this?
answer-allow = Allow
answer-never = Never
answer-not-now = Not now
answer-always = Always
answer-session = Until logout
answer-once = Only once

complaint-incorrect = That PIN was wrong. Please try again.
complaint-password = That password was wrong. Please try again.
complaint-puk = That PUK was wrong. Please try again.
complaint-refused = The card did not take this new PIN. Please choose another.
complaint-different = The two new PINs differ. Please enter them again.
complaint-empty = Please enter the PIN.
complaint-no-password = Please enter the password.
complaint-form =
    { $alphabet ->
        [digits] A PIN of this card has { $shortest } to { $longest } digits.
       *[any] A PIN of this card has { $shortest } to { $longest } characters.
    } What you entered was not sent to it.

error-cancelled = The request was cancelled.
error-timed-out = Nobody entered the PIN of { $token } in time.
error-not-inserted = Nobody inserted the card { $token } in time.
error-interaction-required = The PIN of { $token } is needed, and the program asked for no dialog.
error-screen-locked = The PIN of { $token } is needed, but the screen is locked. Unlock it and try again.
error-no-prompter = The PIN of { $token } is needed, but there is no screen or terminal to ask for it.
error-not-granted = This operation was not granted.
error-too-many = Too many requests at once. Please try again in a moment.
error-no-token = The token { $token } is not present. Insert it and try again.
error-argument = The request has a wrong argument.
error-internal = Something went wrong inside Wafer; its log says more.
error-pin-incorrect = The PIN of { $token } was wrong.
error-pin-blocked = The PIN of { $token } is blocked. Its PUK or your administrator can unblock it.
error-puk-blocked = The PUK of { $token } is blocked: its PIN cannot be unblocked any more. Ask your administrator.
error-no-key = The token { $token } has no private key for this certificate.
error-every-use = This key of { $token } asks for its PIN at every use, which is not supported yet.
error-pin-form = The token { $token } does not take such a PIN.
error-busy = The card { $token } is used by another program. Close that program, or try again when it is done.
error-unsupported = The token { $token } cannot do this operation.
error-decryption = The message could not be decrypted.
error-file-form = This is no PKCS#12 file that can be read. Nothing was imported.
error-file-keyless = This file has no private key that can be used together with its certificate. Nothing was imported.
error-file-cost = The password of this file would take far too long to check. Nothing was imported.
error-not-kept = The folder of key files could not be written. Look whether the disk is full.
error-hung = The token { $token } does not answer any more. Its module is started afresh; please try again.
error-token-failed = The token { $token } or its module failed.
