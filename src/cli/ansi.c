#include "ansi.h"

static int after_escape(struct ansi *a, unsigned char byte)
{
	switch (byte) {
	case '[':
		a->state = ANSI_CSI;
		break;
	case ']': /* OSC, DCS, SOS, PM, APC: strings */
	case 'P':
	case 'X':
	case '^':
	case '_':
		a->state = ANSI_STRING;
		break;
	default:
		if (byte < 0x20 || byte >= 0x30) /* not an intermediate byte: the last one */
			a->state = ANSI_TEXT;
		break;
	}
	return ANSI_NOTHING;
}

static int in_csi(struct ansi *a, unsigned char byte)
{
	if (byte >= 0x20 && byte < 0x40)
		return ANSI_NOTHING;
	a->state = ANSI_TEXT;
	return byte == 'm' ? ANSI_NOTHING : '\r';
}

int ansi_take(struct ansi *a, unsigned char byte)
{
	if (a->state == ANSI_TEXT && byte != 0x1b)
		return byte;
	if (byte == 0x1b) {
		a->state = a->state == ANSI_STRING ? ANSI_STRING_ESCAPE : ANSI_ESCAPE;
		return ANSI_NOTHING;
	}
	switch (a->state) {
	case ANSI_ESCAPE:
		return after_escape(a, byte);
	case ANSI_CSI:
		return in_csi(a, byte);
	case ANSI_STRING_ESCAPE:
		a->state = byte == '\\' ? ANSI_TEXT : ANSI_STRING;
		return ANSI_NOTHING;
	default:
		if (byte == '\a' ||
		    byte == '\n') /* a string without an end is not followed forever */
			a->state = ANSI_TEXT;
		return byte == '\n' ? '\n' : ANSI_NOTHING;
	}
}
